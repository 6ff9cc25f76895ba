"""What proposes params: Optuna or KerasTuner, behind one interface."""
