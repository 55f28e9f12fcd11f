"""The machinery: parameters, runs, records, figures, claims, weights, command line, doctor. Knows no science."""
