"""What a paper's own numbers fail, computed: one module a paper, frames of `published` in, checks out (`published.audit`)."""
