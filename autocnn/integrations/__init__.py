"""Connections to other tools: TensorBoard, MLflow, optuna-dashboard, your own tuner scripts."""
