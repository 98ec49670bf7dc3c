using VmRepl.Blocks.Files;
using VmRepl.Clones.Drops;

namespace VmRepl.Clones.Tests;

/// <summary>What a look at a directory makes of the list, without a file or a clock.</summary>
public class DropScanTests
{
    private static readonly DateTimeOffset Start = new(2026, 5, 1, 12, 0, 0, TimeSpan.Zero);
    private int names;

    private static DirectoryEntry Entry(string name, ulong file, long length = 100, long modifiedSeconds = 5, EntryKind kind = EntryKind.File) => new(name, kind, new FileIdentity(1, file, length, modifiedSeconds * 1_000_000_000, 7));

    private IReadOnlyList<DroppedFile> Look(IReadOnlyList<DroppedFile> list, double seconds, params DirectoryEntry[] entries) => DropScan.Look(list, "/drops", entries, Start.AddSeconds(seconds), () => $"clone-{++names}");

    private static DroppedFile[] With(IReadOnlyList<DroppedFile> list, DropState state) => [.. list.Select(f => f with { State = state })];

    [Test]
    public void Look_NewFiles_WaitUntilTheyHaveSettled()
    {
        var now = (Start - DateTimeOffset.UnixEpoch).TotalSeconds;
        var list = Look([], 0, Entry("new", 1, modifiedSeconds: (long)now), Entry("old", 2));
        Assert.That(list.Select(f => (f.Name, f.State)), Is.EquivalentTo(new[] { ("new", DropState.Waiting), ("old", DropState.Waiting) }));
        Assert.Multiple(() =>
        {
            Assert.That(DropScan.IsSettled(list.Single(f => f.Name == "old"), Start), Is.True, "written long ago");
            Assert.That(DropScan.IsSettled(list.Single(f => f.Name == "new"), Start.AddSeconds(0.9)), Is.False);
            Assert.That(DropScan.IsSettled(list.Single(f => f.Name == "new"), Start.AddSeconds(1)), Is.True);
        });
    }

    [Test]
    public void Look_FileOfTheFuture_SettlesAllTheSame()
    {
        var list = Look([], 0, Entry("a", 1, modifiedSeconds: 9_000_000_000));
        Assert.That((DropScan.IsSettled(list[0], Start.AddSeconds(0.5)), DropScan.IsSettled(list[0], Start.AddSeconds(1))), Is.EqualTo((false, true)));
        // And the clock is set back.
        list = Look(list, -3600, Entry("a", 1, modifiedSeconds: 9_000_000_000));
        Assert.That(DropScan.IsSettled(list[0], Start.AddSeconds(-3599)), Is.True);
    }

    [Test]
    public void Look_FileThatIsWritten_IsAnotherVersionEachTime()
    {
        var list = Look([], 0, Entry("a", 1, 100));
        var next = Look(list, 1, Entry("a", 1, 200));
        Assert.That(next.Single().Seen, Is.EqualTo(Start.AddSeconds(1)));
        Assert.That(next.Single().CloneGroup, Is.Not.EqualTo(list.Single().CloneGroup));
    }

    [Test]
    public void Look_SameVersion_StaysAsItIs([Values] DropState state)
    {
        if (state == DropState.Gone) return;
        var list = With(Look([], 0, Entry("a", 1)), state);
        Assert.That(Look(list, 5, Entry("a", 1)), Is.EqualTo(list));
    }

    [Test]
    public void Look_ProtectedFileThatChanges_IsGoneAndNew()
    {
        var list = With(Look([], 0, Entry("a", 1)), DropState.Protected);
        var next = Look(list, 5, Entry("a", 1, modifiedSeconds: 6));
        Assert.That(next.Select(f => (f.State, f.Gone)), Is.EqualTo(new[] { (DropState.Gone, (DateTimeOffset?)Start.AddSeconds(5)), (DropState.Waiting, null) }));
        Assert.That(next[0].CloneGroup, Is.EqualTo(list[0].CloneGroup));
    }

    [TestCase(DropState.Protected, DropState.Gone)]
    [TestCase(DropState.Waiting, null)]
    [TestCase(DropState.Copying, null)]
    [TestCase(DropState.Quarantined, null)]
    public void Look_FileThatIsRemoved_IsKeptInMindWhereTheReplicaHasIt(DropState state, DropState? then)
    {
        var list = With(Look([], 0, Entry("a", 1), Entry("b", 2)), state);
        Assert.That(Look(list, 5, Entry("b", 2)).Where(f => f.Name == "a").Select(f => (DropState?)f.State), then is null ? Is.Empty : Is.EqualTo(new[] { then }));
    }

    [Test]
    public void Look_FileUnderAnotherName_IsTheSame()
    {
        var list = With(Look([], 0, Entry("a", 1)), DropState.Protected);
        Assert.That(Look(list, 5, Entry("b", 1)), Is.EqualTo(new[] { list[0] with { Name = "b" } }));
    }

    [Test]
    public void Look_VolumeThatIsAwayAndBack_BringsBackWhatWasGone()
    {
        var list = With(Look([], 0, Entry("a", 1), Entry("b", 2)), DropState.Protected);
        var gone = Look(list, 5);
        Assert.That(gone.Select(f => f.State), Is.All.EqualTo(DropState.Gone));
        Assert.That(Look(gone, 9, Entry("a", 1), Entry("b", 2)), Is.EqualTo(list));
    }

    [Test]
    public void Look_HardLinks_AreTwoFiles() => Assert.That(Look(Look([], 0, Entry("a", 1)), 1, Entry("a", 1), Entry("b", 1)), Has.Count.EqualTo(2));

    [Test]
    public void Look_WhatIsNoFile_IsQuarantinedUnopened([Values(EntryKind.Directory, EntryKind.SymbolicLink, EntryKind.Special, EntryKind.Unknown)] EntryKind kind)
    {
        var found = Look([], 0, Entry("a", 1, kind: kind)).Single();
        Assert.That(found.State, Is.EqualTo(DropState.Quarantined));
        Assert.That(found.Reason, Is.Not.Empty);
    }

    [Test]
    public void Look_OtherDirectories_AreLeftAlone()
    {
        var list = With(Look([], 0, Entry("a", 1)), DropState.Protected);
        Assert.That(DropScan.Look(list, "/others", [], Start, () => "x"), Is.EqualTo(list));
    }

    [Test]
    public void Look_MoreThanIsKept_ForgetsTheOldestThatAreGone()
    {
        var entries = Enumerable.Range(0, DropList.FilesMax).Select(i => Entry($"f{i}", (ulong)i)).ToArray();
        var list = With(Look([], 0, entries), DropState.Protected);
        var next = Look(list, 5, [.. entries[1..], Entry("new", 1_000_000)]);
        Assert.That(next, Has.Count.EqualTo(DropList.FilesMax));
        Assert.That(next.Where(f => f.State == DropState.Gone), Is.Empty);
        Assert.That(next.Count(f => f.Name == "new"), Is.EqualTo(1));
        Assert.That(Look([], 0, [.. entries, Entry("beyond", 1_000_000, modifiedSeconds: 9)]), Has.Count.EqualTo(DropList.FilesMax));
    }
}
