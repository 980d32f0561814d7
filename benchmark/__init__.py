"""The engine: clip -> features -> prediction -> score -> result; imports no other folder."""
