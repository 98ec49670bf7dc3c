using VmRepl.Nbd.Client;

namespace VmRepl.Nbd.Tests.Client;

[TestFixture]
public class CoveredRangesTests
{
    [Test]
    public void Add_AtRandom_AgreesWithAnArrayOfBytes()
    {
        for (var seed = 0; seed < 300; seed++)
        {
            var random = new Random(seed);
            var (covered, bytes) = (new CoveredRanges(), new bool[64]);
            for (var step = 0; step < 60; step++)
            {
                var start = random.Next(64);
                var length = random.Next(1, 65 - start);
                var overlaps = bytes.AsSpan(start, length).Contains(true);
                Assert.That(covered.Add(start, length) is not null, Is.EqualTo(overlaps), $"seed {seed}, step {step}");
                if (!overlaps) bytes.AsSpan(start, length).Fill(true);
                Assert.That(covered.Bytes, Is.EqualTo(bytes.Count(b => b)));
            }
        }
    }
}
