namespace VmRepl.Replication.Source.Following;

/// <summary>How the stream of a group stands to its replica.</summary>
internal enum StreamPhase
{
    /// <summary>There is no link: changes are marked, nothing is sent.</summary>
    Alone,

    /// <summary>The disks are brought over for the first time; there is no point yet.</summary>
    Baseline,

    /// <summary>What is marked is brought over; points before are kept, none are made.</summary>
    Resync,

    /// <summary>Every change is sent, and every sequence is a point.</summary>
    Following,
}
