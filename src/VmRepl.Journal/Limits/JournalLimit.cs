namespace VmRepl.Journal.Limits;

/// <summary>A limit that the journal is at.</summary>
/// <param name="Reason">Which, as a part of a sentence, with the bytes.</param>
/// <param name="IsHard">Whether nothing may be taken beyond it; age is not, capacity and the volume's reserve are.</param>
internal readonly record struct JournalLimit(string Reason, bool IsHard);
