"""What notebooks show: rows in, a `figures.Drawing` out; `standard` is every paper's, then one module a paper."""
