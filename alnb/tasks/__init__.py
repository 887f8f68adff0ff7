"""What is learned: one file a task, each with its data, network, loss per sample, prediction and metric."""
