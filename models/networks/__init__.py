"""Networks that timm does not have, and dense features of those it has."""
