using System.Buffers.Binary;
using System.Text;
using VmRepl.Blocks;
using VmRepl.Blocks.Files;
using VmRepl.Journal.Store;

namespace VmRepl.Journal.Tests.Format;

/// <summary>What this build does with files of a version that it does not know: docs/journal-format.md, "Versions".</summary>
internal sealed class NewerVersionTests
{
    [Test]
    public void Segment_OfANewerVersion_IsRefusedByNameAndLeftAsItIs([Values] bool isReadOnly)
    {
        using var group = new TestGroup();
        group.Baseline(0, 64 << 10, 1);
        group.EndBaseline();
        group.Store.Dispose();
        var journal = group.Directory.Directory("journal");
        var segment = journal.ListFiles().Single(n => n.StartsWith("segment-", StringComparison.Ordinal));
        SetVersion(journal, segment, arrayHeaderBytes: 1, version: 3);
        var before = Contents(journal, segment);
        var refused = Assert.Throws<JournalDamagedException>(() => group.Open(isReadOnly).Dispose())!;
        Assert.That(refused.Message, Does.Contain(segment).And.Contain("version 3").And.Contain("up to 2"));
        Assert.That(Contents(journal, segment), Is.EqualTo(before));
        SetVersion(journal, segment, arrayHeaderBytes: 1, version: 2);
        group.Reopen();
        group.AssertPoints();
    }

    [Test]
    public void IndexFile_OfAnotherVersion_IsPassedOver()
    {
        using var group = new TestGroup();
        group.Baseline(0, 64 << 10, 1);
        group.EndBaseline();
        for (var i = 0; i < 20; i++) group.Append(group.Write(i * 4096, 4096, (byte)i));
        group.Append(group.Bookmark("b"));
        group.Reopen();
        group.Store.Dispose();
        var journal = group.Directory.Directory("journal");
        var indexes = journal.ListFiles().Where(n => n.EndsWith(".vri", StringComparison.Ordinal)).ToList();
        Assert.That(indexes, Is.Not.Empty);
        foreach (var index in indexes) SetVersion(journal, index, arrayHeaderBytes: 3);
        group.Reopen();
        group.AssertPoints();
    }

    [Test]
    public void Store_OfANewerLayout_IsRefusedByNameAndLeftAsItIs()
    {
        using var group = new TestGroup();
        var directory = group.Volume.Directory("store");
        var settings = new StoreSettings { NewGuid = Guid.NewGuid };
        ReplicaStore.OpenForWriting(directory, settings).Dispose();
        var text = Encoding.UTF8.GetString(Contents(directory, "store.json")).Replace("\"format\": 1", "\"format\": 2, \"more\": [3]", StringComparison.Ordinal);
        DurableFile.Replace(directory, "store.json", Encoding.UTF8.GetBytes(text));
        foreach (var open in new[] { ReplicaStore.OpenForReading, ReplicaStore.OpenForWriting })
            Assert.That(() => open(directory, settings), Throws.TypeOf<StoreException>().With.Message.Contains("layout 2").And.Message.Contains("up to 1"));
        Assert.That(Encoding.UTF8.GetString(Contents(directory, "store.json")), Is.EqualTo(text), "no incarnation was taken");
    }

    [Test]
    public void Json_FieldsOfANewerBuild_ArePassedOver()
    {
        using var group = new TestGroup();
        group.EndBaseline();
        group.Store.Dispose();
        foreach (var name in new[] { "group.json", "digests.json" })
        {
            var text = Encoding.UTF8.GetString(Contents(group.Directory, name));
            DurableFile.Replace(group.Directory, name, Encoding.UTF8.GetBytes("{ \"more\": { \"x\": 1 }," + text.TrimStart()[1..]));
        }

        group.Reopen();
        group.AssertPoints();
    }

    /// <summary>A frame of 16 bytes, then an array of which the version is the first item; the checksum is made to fit.</summary>
    private static void SetVersion(IHostDirectory directory, string name, int arrayHeaderBytes, byte version = 2)
    {
        var contents = Contents(directory, name);
        var body = contents.AsSpan(16, (int)BinaryPrimitives.ReadUInt32BigEndian(contents.AsSpan(12)));
        body[arrayHeaderBytes] = version;
        BinaryPrimitives.WriteUInt32BigEndian(contents.AsSpan(7), Crc32C.Compute(body));
        using var file = directory.Open(name, HostFileAccess.ReadWrite);
        file.Write(0, contents.AsSpan(0, 4096));
        file.Flush();
    }

    private static byte[] Contents(IHostDirectory directory, string name)
    {
        using var file = directory.Open(name, HostFileAccess.Read);
        var contents = new byte[file.Length];
        file.Read(0, contents);
        return contents;
    }
}
