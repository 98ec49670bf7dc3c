namespace VmRepl.Journal.Index.Files;

/// <summary>What one layer brings to the history of a piece: the versions of a run from one on.</summary>
/// <param name="Layer">The layer.</param>
/// <param name="Run">A run of it.</param>
/// <param name="From">Number of the first version that is not void.</param>
/// <param name="Oldest">Sequence of that version.</param>
internal readonly record struct MergePart(IndexLayer Layer, LayerRun Run, int From, ulong Oldest)
{
    public int Versions => Run.Versions - From;

    public RecordRef Version(int i) => Layer.Version(Run, From + i);

    public bool IsSameHistory(in MergePart other) => ReferenceEquals(Layer, other.Layer) && Run.Token == other.Run.Token && Run.Versions == other.Run.Versions && From == other.From;
}
