"""What tasks measure beyond accuracy, one file each, thin over libraries."""
