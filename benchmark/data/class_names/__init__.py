"""Names of the classes of data sets that have many, and how fine ones make up coarse ones."""
