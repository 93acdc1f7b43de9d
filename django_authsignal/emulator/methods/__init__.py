"""One module per way of proof, for the Client API and the hosted pages alike."""
