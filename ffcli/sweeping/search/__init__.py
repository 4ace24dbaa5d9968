"""Search: the next configuration, by grid, random, bayes or in pairs."""
