# cython: cdivision=True
"""What a bid pays if its call qualifies (exchange rule 9). Integers only."""


def clearing_price(
    bid_micros: int, quality_ppm: int, next_score: int, floor_micros: int, increment_micros: int
) -> int:
    """Price in micros of a bid whose next rival scores next_score; −1: it has no rival.

    tie = ceil(s_r / g_w), the bid with which it would just have tied; the price is
    min(b_w, max(floor, tie + increment)), without a rival the floor. The bid is at or above
    the floor and its score at or above next_score, so floor ≤ price ≤ bid.
    """
    if next_score < 0:
        return floor_micros
    tie = (next_score + quality_ppm - 1) // quality_ppm + increment_micros
    if tie < floor_micros:
        tie = floor_micros
    if tie > bid_micros:
        tie = bid_micros
    return tie
