using System.Buffers.Binary;
using VmRepl.Blocks;
using VmRepl.Journal.Index;
using VmRepl.Journal.Index.Files;
using VmRepl.Journal.Segments;
using VmRepl.Protocol.MessagePack;
using VmRepl.Protocol.Records;

namespace VmRepl.Journal.Tests.Index.Files;

/// <summary>Whatever stands in an index file, it gives the answers that it was made for, or one typed error.</summary>
public class IndexFileDamageTests
{
    private readonly MemoryDirectory directory = new();
    private ListLayer layer = null!;
    private string name = null!;
    private byte[] pristine = null!;

    [SetUp]
    public void WriteFile()
    {
        directory.DeleteTree();
        layer = IndexSample.RandomLayer(new Random(11), 40, 4096, 70);
        var facts = new List<IndexFact> { IndexSample.Fact(RecordKind.Bookmark, 7, new CommitPlace(2, 2), "b"), IndexSample.Fact(RecordKind.Checkpoint, 0, new CommitPlace(3, 1)) };
        IndexSample.Write(directory, layer, new IndexPageCache(IndexSample.CacheBytes), facts).Dispose();
        name = directory.ListFiles().Single();
        pristine = directory.Files[name].Bytes.ToArray();
    }

    [Test]
    public void IndexFile_EachByteFlipped_IsRefusedOrAnswersTheSame()
    {
        var random = new Random(12);
        var refused = 0;
        var expected = Answers();
        for (var i = 0; i < pristine.Length; i++)
        {
            // Every byte of what is not a page, and of the pages' heads; some of the rest.
            if (i is >= 300 and < 4096 or >= 4200 && i < pristine.Length - 4000 && random.Next(20) != 0) continue;
            directory.Files[name].Bytes[i] ^= (byte)(1 << random.Next(8));
            try
            {
                Assert.That(Answers(), Is.EqualTo(expected), $"byte {i}");
            }
            catch (JournalDamagedException e)
            {
                Assert.That(e.Path, Is.EqualTo(name));
                refused++;
            }

            directory.Files[name].Bytes[i] = pristine[i];
        }

        Assert.That(refused, Is.GreaterThan(4000));
    }

    [Test]
    public void IndexFile_CutAtAnyLength_IsRefused()
    {
        for (var length = 0; length < pristine.Length; length += length is < 4200 || length > pristine.Length - 300 ? 1 : 97)
        {
            directory.Files[name].SetLength(length);
            Assert.That(() => IndexFile.Open(directory, name, new IndexPageCache(IndexSample.CacheBytes)), Throws.TypeOf<JournalDamagedException>(), $"{length} bytes");
            directory.Files[name].Write(0, pristine);
        }
    }

    [Test]
    public void IndexFile_HostileHeader_IsRefusedBeforeAnythingIsAllocated()
    {
        ulong[] values = [0, 1, 2, 4096, (ulong)pristine.Length, int.MaxValue, uint.MaxValue, long.MaxValue, ulong.MaxValue];
        var fields = Fields();
        for (var field = 0; field < fields.Count; field++)
        {
            foreach (var value in values)
            {
                var changed = fields.ToList();
                changed[field] = value;
                WriteHeader(changed);
                var before = GC.GetAllocatedBytesForCurrentThread();
                try
                {
                    Answers();
                }
                catch (JournalDamagedException)
                {
                    // One typed error.
                }

                Assert.That(GC.GetAllocatedBytesForCurrentThread() - before, Is.LessThan(16 << 20), $"field {field}: {value}");
            }
        }
    }

    [Test]
    public void IndexFile_RandomPageWithAChecksumThatHolds_IsRefusedOrAnswersSomething()
    {
        var random = new Random(13);
        for (var i = 0; i < 3000; i++)
        {
            var page = 1 + random.Next((pristine.Length / 4096) - 1);
            var bytes = directory.Files[name].Bytes.Slice(page * 4096, 4096);
            for (var n = random.Next(1, 4); n > 0; n--) bytes[random.Next(4, 4096)] = (byte)random.Next(256);
            BinaryPrimitives.WriteUInt32LittleEndian(bytes, Crc32C.Compute(bytes[4..]));
            try
            {
                Answers();
            }
            catch (JournalDamagedException)
            {
                // No other error may come.
            }

            pristine.AsSpan(page * 4096, 4096).CopyTo(bytes);
        }
    }

    [Test]
    public void IndexFile_UnderAnotherName_IsRefused()
    {
        var other = IndexFileName.Of(new CommitPlace(1, 0), new CommitPlace(9, 9));
        directory.Rename(name, other);
        Assert.That(() => IndexFile.Open(directory, other, new IndexPageCache(IndexSample.CacheBytes)), Throws.TypeOf<JournalDamagedException>());
    }

    private List<string> Answers()
    {
        using var file = IndexFile.Open(directory, name, new IndexPageCache(IndexSample.CacheBytes));
        var answers = new List<string> { $"{file.First} {file.End} {file.RunCount} {file.NewestSequence} {file.Start} {file.FirstNeeded}" };
        answers.AddRange(file.Segments.Select(s => s.ToString()));
        answers.AddRange(file.ReadFacts().Select(f => $"{f.Header.Kind} {f.Header.Sequence} {f.Place} {f.HeaderOffset}"));
        var runs = new List<LayerRun>();
        foreach (var disk in layer.Disks)
        {
            var from = runs.Count;
            file.Find(disk, Extent.FromEnds(0, long.MaxValue), runs);
            foreach (var run in runs[from..])
            {
                answers.Add($"{run}");
                if (run.HasUndo) answers.Add($"{file.Undo(run)}");
                if (run.Versions > 0) answers.Add($"{file.NewestAt(run, run.Newest)} {file.NewestAt(run, run.Oldest)} {file.Version(run, run.Versions / 2)}");
                file.Find(disk, new Extent(run.Start, 512), runs = [.. runs]);
                runs.RemoveAt(runs.Count - 1);
            }
        }

        return answers;
    }

    private List<ulong> Fields()
    {
        Assert.That(Frame.TryReadPrefix(pristine, IndexLayout.HeaderMagic, out _, out var bytes), Is.True);
        var reader = new MessagePackReader(pristine.AsSpan(16, (int)bytes));
        var fields = new List<ulong>();
        for (var i = reader.ReadArrayHeader(); i > 0; i--) fields.Add(reader.ReadUInt64());
        return fields;
    }

    private void WriteHeader(List<ulong> fields)
    {
        using var writer = new MessagePackWriter();
        Frame.Begin(writer, IndexLayout.HeaderMagic);
        writer.WriteArrayHeader(fields.Count);
        foreach (var field in fields) writer.WriteUInt64(field);
        Frame.End(writer);
        directory.Files[name].Write(0, writer.WrittenSpan);
    }
}
