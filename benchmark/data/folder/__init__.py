"""`folder:PATH`: any tree of frames and masks, or a folder of video files."""
