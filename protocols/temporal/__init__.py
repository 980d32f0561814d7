"""Do the clusters of a clip stay on their objects over time?"""
