"""What the tasks measure beyond accuracy, arrays in, numbers out."""
