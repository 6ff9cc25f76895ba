"""Other tools: TensorBoard, MLflow, optuna-dashboard, and tuner scripts of your own."""
