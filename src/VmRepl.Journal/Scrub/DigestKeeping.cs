using VmRepl.Blocks.Files;
using VmRepl.Journal.Store;

namespace VmRepl.Journal.Scrub;

/// <summary>
/// Which incarnation of the store kept the digests of a group's live images last; the file <c>digests.json</c> beside them. Each opening for writing has an incarnation of its own, so a store that was opened by
/// something that keeps no digests (an older build, a process that could not) is found out by a number that is missing, and its digests are taken anew: they may be of what is there no more.
/// </summary>
internal static class DigestKeeping
{
    private const string Name = "digests.json";

    /// <summary>Whether every opening for writing up to the present one kept the digests. A group that is opened once more in one incarnation, after its journal failed, has its number already.</summary>
    /// <param name="incarnation">Of the opening for writing that begins; of the store as it is where it is only read.</param>
    public static bool AreKept(IHostDirectory group, ulong incarnation, bool isReadOnly)
    {
        try
        {
            return group.FileExists(Name) && StoreJson.Read<Kept>(group, Name).Incarnation is var last && (last == incarnation || (!isReadOnly && last + 1 == incarnation));
        }
        catch (Exception e) when (e is StoreException or IOException)
        {
            // Nothing is known then, and everything is taken anew.
            return false;
        }
    }

    /// <summary>Notes, durably, that this incarnation keeps them. Before anything writes a live image.</summary>
    /// <returns>False where it cannot be noted: then there may be no digests.</returns>
    public static bool TryBegin(IHostDirectory group, ulong incarnation)
    {
        try
        {
            StoreJson.Write(group, Name, new Kept(incarnation));
            return true;
        }
        catch (IOException)
        {
            // A full volume, for one, and no reason not to open the group.
            return false;
        }
    }

    private sealed record Kept(ulong Incarnation);
}
