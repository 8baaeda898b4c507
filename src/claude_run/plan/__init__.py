"""What will be played: the matrix of conversations, its filters, the rules of the models, and the bill."""
