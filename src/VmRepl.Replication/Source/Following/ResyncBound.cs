namespace VmRepl.Replication.Source.Following;

/// <summary>What a record is to the stretch of a stream in which no sequence is a point.</summary>
internal enum ResyncBound
{
    /// <summary>It lies within one, or outside.</summary>
    None,

    /// <summary>A resync begins with it.</summary>
    Begin,

    /// <summary>A baseline or a resync ends with it: the first point behind.</summary>
    End,
}
