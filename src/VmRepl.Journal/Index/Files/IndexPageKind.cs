namespace VmRepl.Journal.Index.Files;

/// <summary>What the entries of a page are.</summary>
internal enum IndexPageKind : ushort
{
    Runs = 1,
    References = 2,
}
