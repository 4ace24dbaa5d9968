"""What configuration comes next: grid, random, bayes, paired."""
