using VmRepl.Blocks.Files;

namespace VmRepl.Clones.Drops;

/// <summary>
/// What a look at a drop directory makes of the list. It opens nothing and knows no clock: it is given what was in the list, what is in the directory and what time it is.
/// <code>
/// in the directory            in the list                what becomes of it
/// a version                   the same                   it stays as it is
/// a version                   the same, another name     a rename: it stays as it is, under the new name
/// a version                   the same, gone             it is protected again
/// a version                   none, or an older one      new, waiting; with the older one as with one that nothing stands for
/// nothing                     a version                  gone where it was protected, else forgotten
/// </code>
/// </summary>
public static class DropScan
{
    /// <summary>How long a file has to stay as it is before it counts as complete.</summary>
    public static readonly TimeSpan Settling = TimeSpan.FromSeconds(1);

    /// <param name="list">Every directory's files.</param>
    /// <param name="directory">Full path of the one that was looked at.</param>
    /// <param name="entries">Everything in it.</param>
    /// <param name="now">The time.</param>
    /// <param name="newName">A name for a clone's group that was never used.</param>
    /// <returns>Every directory's files, oldest first.</returns>
    public static IReadOnlyList<DroppedFile> Look(IReadOnlyList<DroppedFile> list, string directory, IReadOnlyList<DirectoryEntry> entries, DateTimeOffset now, Func<string> newName)
    {
        var elsewhere = list.Where(f => f.Directory != directory);
        var own = list.Where(f => f.Directory == directory).ToList();
        var byName = own.Where(f => f.State != DropState.Gone).ToDictionary(f => f.Name, StringComparer.Ordinal);
        // Mostly nothing has happened, or somewhere else.
        if (byName.Count == entries.Count && entries.All(e => byName.TryGetValue(e.Name, out var f) && f.Version == FileVersion.Of(e.Identity)) && list.All(f => f.Seen <= now)) return list;
        var present = entries.Select(e => e.Name).ToHashSet(StringComparer.Ordinal);
        // Under another name, or back after it was gone: the newest of those that could be meant.
        var absent = own.Where(f => f.State == DropState.Gone || !present.Contains(f.Name)).GroupBy(f => f.Version).ToDictionary(g => g.Key, g => g.Last());
        var here = new List<DroppedFile>();
        var fresh = new List<DroppedFile>();
        foreach (var entry in entries.OrderBy(e => e.Identity.ModifiedNs).ThenBy(e => e.Name, StringComparer.Ordinal))
        {
            var version = FileVersion.Of(entry.Identity);
            if (byName.TryGetValue(entry.Name, out var same) && same.Version == version) here.Add(same);
            else if (entry.Kind == EntryKind.File && absent.Remove(version, out var other)) here.Add(Back(other) with { Name = entry.Name });
            else fresh.Add(New(entry, version));
        }

        var found = here.Select(f => f.CloneGroup).ToHashSet(StringComparer.Ordinal);
        var gone = own.Where(f => f.State is DropState.Protected or DropState.Gone && !found.Contains(f.CloneGroup)).Select(f => f.State == DropState.Gone ? f : f with { State = DropState.Gone, Gone = now });
        List<DroppedFile> all = [.. elsewhere, .. here, .. gone];
        all.AddRange(fresh.Take(Math.Max(0, DropList.FilesMax - all.Count(f => f.State != DropState.Gone))));
        // Clocks are set back as well: what was seen in the future was seen now.
        var ordered = all.Select(f => f.Seen > now ? f with { Seen = now } : f).OrderBy(f => f.Seen).ThenBy(f => f.Version.ModifiedNs).ThenBy(f => f.CloneGroup, StringComparer.Ordinal).ToList();
        if (ordered.Count <= DropList.FilesMax) return ordered;
        var forgotten = ordered.Where(f => f.State == DropState.Gone).OrderBy(f => f.Gone).Take(ordered.Count - DropList.FilesMax).ToHashSet();
        return [.. ordered.Where(f => !forgotten.Contains(f))];

        static DroppedFile Back(DroppedFile file) => file.State == DropState.Gone ? file with { State = DropState.Protected, Gone = null } : file;

        DroppedFile New(DirectoryEntry entry, FileVersion version) => WhyNotLookedAt(entry) is { } reason
            ? new DroppedFile(newName(), directory, entry.Name, version, now, DropState.Quarantined) { Reason = reason }
            : new DroppedFile(newName(), directory, entry.Name, version, now, DropState.Waiting) { Reason = "not complete yet" };
    }

    /// <summary>Whether a version has stayed as it is for long enough: since it was first seen, or since it was last written.</summary>
    public static bool IsSettled(DroppedFile file, DateTimeOffset now) => now - file.Seen >= Settling || now - file.Version.Modified >= Settling;

    private static string? WhyNotLookedAt(DirectoryEntry entry) => entry.Kind switch
    {
        EntryKind.File => null,
        EntryKind.Directory => "a directory, which is not looked into",
        EntryKind.SymbolicLink => "a symbolic link, which is not followed",
        EntryKind.Special => "a device, a pipe or a socket, which is not opened",
        _ => "it cannot be examined",
    };
}
