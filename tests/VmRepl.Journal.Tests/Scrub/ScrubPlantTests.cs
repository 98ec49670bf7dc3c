extern alias simulation;
using simulation::VmRepl.Simulation;
using simulation::VmRepl.Simulation.Storage;
using VmRepl.Images.LiveContainer;
using VmRepl.Protocol.Records;
using GroupDescription = simulation::VmRepl.Journal.Store.GroupDescription;
using DiskDescription = simulation::VmRepl.Journal.Store.DiskDescription;
using SimulatedOptions = simulation::VmRepl.Journal.JournalOptions;
using RecordAttribute = simulation::VmRepl.Journal.Points.RecordAttribute;
using ReplicaStore = simulation::VmRepl.Journal.Store.ReplicaStore;
using ScrubOptions = simulation::VmRepl.Journal.Scrub.ScrubOptions;
using StoreSettings = simulation::VmRepl.Journal.Store.StoreSettings;

namespace VmRepl.Journal.Tests.Scrub;

/// <summary>Bugs planted into a scrub are found out: a sound store is clean after writes, and a flipped bit is named wherever it is.</summary>
public class ScrubPlantTests
{
    private const int Regions = 4, RegionBytes = 1 << 20;

    [Test]
    public void Scrub_NothingPlanted_Passes() => Assert.That(WhyWrong(), Is.Null);

    [TestCaseSource(typeof(Plant), nameof(Plant.OfScrub))]
    public void Scrub_WithABugPlanted_IsFoundOut(string plant)
    {
        Plant.Planted = plant;
        try
        {
            Assert.That(WhyWrong(), Is.Not.Null, plant);
        }
        finally
        {
            Plant.Planted = null;
        }
    }

    private static string? WhyWrong()
    {
        var volume = new SimulatedVolume(1, 1L << 30);
        var settings = new StoreSettings { NewGuid = Guid.NewGuid, Journal = new SimulatedOptions { SegmentBytes = 1 << 20, FreeBytesMin = 0 } };
        using var store = ReplicaStore.OpenForWriting(volume.Directory("store"), settings);
        var group = store.Create(new GroupDescription("g", Guid.Empty, 1, [new DiskDescription(1, "sda", Regions * RegionBytes, 512, "raw")]));
        group.ApplyBaseline([.. Enumerable.Range(0, Regions).Select(i => Write((ulong)i + 1, i * RegionBytes, RegionBytes, (byte)(i + 1)))]);
        group.Append([Fact(RecordKind.ResyncBegin, 10), Fact(RecordKind.ResyncEnd, 11)]);
        if (Damage() != 0) return "a sound store is said to be damaged when its digests are taken";
        group.Append([Write(12, 8192, 16_384, 0x77), Fact(RecordKind.Bookmark, 13)]);
        if (Damage() != 0) return "what was written is taken for damage";

        var live = (SimulatedDirectory)volume.Directory("store").Directory("groups").Directory("g").Directory("live");
        using var image = LiveContainer.Open(live, "sda.vhdx", Blocks.Files.HostFileAccess.Read);
        for (var region = 0; region < Regions; region++)
        {
            live.FlipBit("sda.vhdx", image.PayloadOffset + (region * RegionBytes) + 70_000, 3);
            var found = Damage();
            live.FlipBit("sda.vhdx", image.PayloadOffset + (region * RegionBytes) + 70_000, 3);
            if (found == 0) return $"a flipped bit in region {region} is not found";
        }

        var journal = (SimulatedDirectory)volume.Directory("store").Directory("groups").Directory("g").Directory("journal");
        // The undo's payload and the write's, 16 KiB each at the end of the first segment.
        foreach (var offset in new[] { (1 << 20) - 30_000, (1 << 20) - 10_000 })
        {
            journal.FlipBit("segment-0000000001.vrj", offset, 1);
            var found = Damage();
            journal.FlipBit("segment-0000000001.vrj", offset, 1);
            if (found == 0) return $"a flipped bit at {offset} of the segment is not found";
        }

        return Damage() == 0 ? null : "a store that is sound again is said to be damaged";

        long Damage() => store.ScrubAsync("g", new ScrubOptions(), CancellationToken.None).GetAwaiter().GetResult().DamageCount;
    }

    private static Record Write(ulong sequence, long offset, int length, byte fill) => Record.Create(
        new RecordHeader { Kind = RecordKind.Write, Sequence = sequence, TimeUs = (long)sequence, Epoch = 1, Disk = 1, Offset = offset, Length = length }, Enumerable.Repeat(fill, length).ToArray());

    private static Record Fact(RecordKind kind, ulong sequence) => Record.Create(
        new RecordHeader { Kind = kind, Sequence = sequence, TimeUs = (long)sequence, Epoch = 1, Attributes = kind == RecordKind.Bookmark ? new Dictionary<string, string> { [RecordAttribute.Name] = "b" } : null }, default);
}
