"""Published numbers: do the papers' own tables add up? Arithmetic of printed values, without any picture or network."""
