"""What the data say of each law: the prior, the grid of laws, refined laws, the number of breaks."""
