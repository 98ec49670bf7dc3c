using System.Security.Cryptography;
using VmRepl.Blocks.Files;
using VmRepl.Protocol.Records;

namespace VmRepl.Journal.Tests.Format;

/// <summary>A reader that was written from docs/journal-format.md, in another language and with another MessagePack library.</summary>
public class IndependentReaderTests
{

    [Test]
    public void Journal_ReadWithPythonAndMessagePack_IsWhatTheOracleSays()
    {
        ExternalTool.RequireModule("msgpack");
        var directory = Directory.CreateTempSubdirectory("vmrepl-format-").FullName;
        try
        {
            var options = new JournalOptions { SegmentBytes = 1 << 20, CapacityBytes = 3 << 20, FreeBytesMin = 0, CheckpointBytes = 300 << 10 };
            using var group = new TestGroup(options, new HostDirectory(Path.Combine(directory, "g")));
            group.Baseline(64 << 10, 256 << 10, 0xEE);
            group.EndBaseline();
            for (byte i = 1; i <= 24; i++)
            {
                group.Append(group.Make(RecordKind.ResyncBegin), group.Write(i * 1536, (i * 6) << 10, i), group.Write(512 * i, 512, (byte)(i + 100)),
                    group.Make(i % 2 == 0 ? RecordKind.Punch : RecordKind.Zero, i * 8192, 12_288), group.Metadata("definition", [i]), group.Make(RecordKind.ResyncEnd));
            }

            Assert.That(group.Journal.Counters.HandDowns, Is.GreaterThan(0), "there has to be something handed down to read");
            var points = group.Journal.Points.Select(p => p.Sequence).ToList();
            var newest = group.Journal.Position.Durable;
            group.Store.Dispose();
            foreach (var point in new[] { points[0], points[points.Count / 2], points[^1] })
            {
                var (status, output, error) = ExternalTool.Try(ExternalTool.Python, Path.Combine(TestContext.CurrentContext.TestDirectory, "Format", "IndependentReader.py"), Path.Combine(directory, "g"), "sda", $"{point}");
                Assert.That(status, Is.Zero, error);
                Assert.That(output.Trim(), Is.EqualTo($"{Digest(group.History[point])} {Digest(group.History[newest])}"), $"at {point}");
            }
        }
        finally
        {
            Directory.Delete(directory, recursive: true);
        }
    }

    private static string Digest(byte[] contents) => Convert.ToHexStringLower(SHA256.HashData(contents));
}
