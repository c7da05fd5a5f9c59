"""The journal's type number of each fact. A number is never changed and never used again."""

from vocabulary.facts import (
    AnswerSent,
    AttemptFailed,
    BidPut,
    BidRemoved,
    CallAnswered,
    CallClosed,
    CallRouted,
    ClockSet,
    Fact,
    Heartbeat,
    PlanApplied,
    Started,
    TalkEnded,
    TopUpPosted,
)

FACT_TYPES: dict[type[Fact], int] = {
    Started: 1,
    ClockSet: 2,
    Heartbeat: 3,
    PlanApplied: 4,
    BidPut: 5,
    BidRemoved: 6,
    CallRouted: 7,
    AttemptFailed: 8,
    CallAnswered: 9,
    AnswerSent: 10,
    CallClosed: 11,
    TopUpPosted: 12,
    TalkEnded: 13,
}

FACT_OF_TYPE: dict[int, type[Fact]] = {number: fact for fact, number in FACT_TYPES.items()}
"""Fact class of a type number, for those who read a journal without decoding it."""
