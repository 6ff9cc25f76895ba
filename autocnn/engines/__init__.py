"""What proposes params: Optuna now, KerasTuner later, behind one interface."""
