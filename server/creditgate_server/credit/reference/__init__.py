"""The reference model: what the ledger must answer, said with plain lists and no care for speed.

Nothing is lazy here. Time passes when it is told to, and what is due happens at once and in order; the store may notice
it whenever somebody touches the organisation, and must come to the same result.
"""
