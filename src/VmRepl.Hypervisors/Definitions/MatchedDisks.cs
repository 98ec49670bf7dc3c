namespace VmRepl.Hypervisors.Definitions;

/// <summary>Which disk of the group stands for which disk of the definition.</summary>
/// <param name="Disks">In the order in which they are attached: the definition's disk, and the name of the group's.</param>
/// <param name="Notes">What was decided other than by name, and what was left out.</param>
public sealed record MatchedDisks(IReadOnlyList<(VmDisk Disk, string GroupDisk)> Disks, IReadOnlyList<string> Notes)
{
    /// <summary>By target, else by the source file's name with or without extension, else by order. A disk of the group that the definition lacks is attached last, by virtio.</summary>
    /// <param name="groupDisks">The names of the group's disks, in its order.</param>
    public static MatchedDisks Match(VmDefinition definition, IReadOnlyList<string> groupDisks)
    {
        var notes = new List<string>();
        var found = new Dictionary<VmDisk, string>(ReferenceEqualityComparer.Instance);
        var left = new List<string>(groupDisks);
        Take((disk, name) => disk.Target == name, null);
        Take((disk, name) => disk.Source is { } source && (FileName(source) == name || Path.GetFileNameWithoutExtension(FileName(source)) == name), "the file's name");
        if (definition.Disks.Count - found.Count == left.Count) Take((_, _) => true, "its place, as no name fits");

        var disks = new List<(VmDisk, string)>();
        foreach (var disk in definition.Disks)
        {
            if (found.TryGetValue(disk, out var name)) disks.Add((disk, name));
            else notes.Add($"Disk {disk.Target} of the definition is left out: the group has no such disk.");
        }

        foreach (var name in left)
        {
            if (definition.Disks.Count > 0) notes.Add($"Disk {name} of the group is not in the definition; it is attached last, by virtio.");
            disks.Add((new VmDisk(name, DiskBus.Virtio), name));
        }

        return new MatchedDisks(disks, notes);

        void Take(Func<VmDisk, string, bool> fits, string? how)
        {
            foreach (var disk in definition.Disks)
            {
                if (found.ContainsKey(disk) || left.FindIndex(name => fits(disk, name)) is not (>= 0 and var at)) continue;
                if (how is not null) notes.Add($"Disk {disk.Target} of the definition is the group's {left[at]}, by {how}.");
                found.Add(disk, left[at]);
                left.RemoveAt(at);
            }
        }
    }

    private static string FileName(string source) => source[(source.LastIndexOf('/') + 1)..];
}
