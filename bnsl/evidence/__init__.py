"""How probable each law is: the prior, the grid of laws, refined laws, the number of breaks."""
