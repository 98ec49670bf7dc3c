namespace VmRepl.Replication.Source.Tracking;

/// <summary>How a bucket's marks are kept.</summary>
internal enum BucketState : byte
{
    /// <summary>It has none.</summary>
    Empty,

    /// <summary>By sector, in the bucket's page. It stays so when the last one goes, until the page is wanted.</summary>
    Exact,

    /// <summary>By segment.</summary>
    Collapsed,
}
