using VmRepl.Protocol.Records;

namespace VmRepl.Journal.Index.Files;

/// <summary>What is void when a merge begins, and stays so: both only grow. Both must be durable, in a checkpoint, since what is void by them is not in the new file.</summary>
/// <param name="Start">Start of the recovery range.</param>
/// <param name="FirstNeeded">Serial of the first segment that is still needed.</param>
internal readonly record struct MergeBounds(ulong Start, ulong FirstNeeded)
{
    /// <summary>A hand-down holds for its start and for every later one until a newer one takes its place, so only the loss of its segment ends it.</summary>
    public bool IsVoid(in RecordRef reference) => reference.Serial < FirstNeeded || (reference.Kind != RecordKind.HandDown && reference.Number <= Start);

    /// <summary>All keys are handed down at each start, so those handed down for an earlier one are void.</summary>
    public bool IsVoid(IndexFact fact) =>
        fact.Place.Serial < FirstNeeded
        || (fact.Header.Sequence > 0 ? fact.Header.Sequence <= Start : fact.Header.Kind == RecordKind.Metadata && fact.Header.Undoes < Start);
}
