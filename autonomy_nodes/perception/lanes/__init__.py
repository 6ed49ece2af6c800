"""Lines of the road and landmarks, by a network of their own."""
