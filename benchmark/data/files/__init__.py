"""Files of data sets: listing, images, masks, flow, and what is wrong with them."""
