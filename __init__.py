"""tvseg_bench: what do frozen visual features know about video?"""

__version__ = "0.1.0"
