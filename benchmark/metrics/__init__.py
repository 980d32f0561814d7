"""Pure functions of arrays: contingency tables, matching, IoU."""
