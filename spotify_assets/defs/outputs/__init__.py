"""What is made of the marts, for people to look at and take away."""
