using VmRepl.Fuzz;
using VmRepl.Fuzz.Corpus;
using VmRepl.Fuzz.Mutations;
using VmRepl.Simulation.Storage;

namespace VmRepl.Images.Tests.Fuzzing;

/// <summary>The fuzzer itself: what it must notice, what it must not, and that a seed is one mutant.</summary>
public sealed class FuzzRunTests
{
    private static readonly Lazy<IReadOnlyList<CorpusImage>> Corpus = new(CorpusImages.Load);

    [TestCase(PlantedFault.UntypedError, "IndexOutOfRangeException")]
    [TestCase(PlantedFault.HoldsMemory, "MiB, at most 64 are allowed")]
    [TestCase(PlantedFault.TakesTime, "s of processor time")]
    [TestCase(PlantedFault.FollowsAnyName, "secret.raw\" was opened")]
    [TestCase(PlantedFault.GapInTheMap, "a run")]
    [TestCase(PlantedFault.StaleContents, "the map says")]
    [TestCase(PlantedFault.LosesWrites, "read what was written")]
    public void Run_WithAFaultPlantedIntoTheReader_ReportsIt(PlantedFault fault, string message)
    {
        var output = new StringWriter();
        var opened = 0;
        var run = new FuzzRun(Corpus.Value, 1, 200, output)
        {
            // Those that cost time or memory are planted into one image, the others into all.
            Open = (path, options) => DiskImages.Open(path, options) is var image && (fault is not (PlantedFault.HoldsMemory or PlantedFault.TakesTime) || Interlocked.Increment(ref opened) is >= 20 and <= 24)
                ? new FaultyImage(image, fault, options.Files)
                : image,
        };
        Assert.That(run.Run(), Is.EqualTo(1), output.ToString());
        Assert.That(output.ToString(), Does.Contain(message).And.Contain("again with: dotnet cake --target=Fuzz --seed="));
    }

    [Test]
    public void Run_OfTheReadersAsTheyAre_FindsNothingAndReachesBlocksOfEveryFormat()
    {
        var output = new StringWriter();
        var run = new FuzzRun(Corpus.Value, 1, 1500, output);
        Assert.That(run.Run(), Is.Zero, output.ToString());
        Assert.That(run.Counters.Keys, Is.EquivalentTo(Enum.GetValues<ImageFormat>()));
        Assert.That(run.Counters.Values.Select(c => c.ReadBlock), Is.All.Positive);
        Assert.That(run.Counters.Where(c => c.Key is ImageFormat.Vhdx or ImageFormat.Vhd).Select(c => (double)c.Value.Sealed / c.Value.Mutants), Is.All.InRange(0.35, 0.65));
    }

    [Test]
    public void Make_OfOneSeed_GivesOneMutant()
    {
        var mutator = new Mutator(Corpus.Value);
        for (ulong seed = 1; seed < 200; seed++)
        {
            var (one, other) = (mutator.Make(new SeededRandom(seed)), mutator.Make(new SeededRandom(seed)));
            Assert.That(one.Words, Is.EqualTo(other.Words));
            foreach (var (name, bytes) in one.Files)
            {
                Assert.That(bytes.Length, Is.EqualTo(other.Files[name].Length));
                Assert.That(bytes.ChangedPages, Is.EqualTo(other.Files[name].ChangedPages));
            }
        }
    }

    [Test]
    public void State_OfARunThatWasKilled_GoesOnAtTheLowestSeedThatWasNotDone()
    {
        using var folder = new TestFolder();
        var path = folder.File("state");
        Assert.That(StateFile.Find(path), Is.Null);
        using (var state = new StateFile(path, 1000))
        {
            state.Begin(0, 700);
            state.Begin(1, 512);
            Assert.That(StateFile.Find(path), Is.EqualTo((512UL, 488L)));
            state.Done(1);
            Assert.That(StateFile.Find(path), Is.EqualTo((700UL, 300L)));
            state.Done(0);
        }

        Assert.That(StateFile.Find(path), Is.Null);
        using (var state = new StateFile(path, 100)) Assert.That(new FuzzRun(Corpus.Value, 50, 50, TextWriter.Null) { State = state }.Run(), Is.Zero);
        Assert.That(StateFile.Find(path), Is.Null, "the run was done");
    }

    /// <summary>A corpus that is refused as it stands would try nothing.</summary>
    [Test]
    public void Corpus_Undamaged_IsReadWithoutAFinding()
    {
        foreach (var image in Corpus.Value)
        {
            var trial = new Fuzz.Trials.Trial(new Mutant(image, image.Files.ToDictionary(f => f.Name, f => f.Contents.Fork()), false, []), 1, DiskImages.Open);
            trial.Run();
            Assert.That(trial.Findings, Is.Empty, image.Name);
            Assert.That(trial.Result.HasReadBlock, Is.True, $"{image.Name}: {trial.Result.LastError}");
            Assert.That(image.Format == ImageFormat.Raw || image.Files[0].Groups.Count > 0 || image.Files[0].Descriptor is not null, Is.True, $"{image.Name}: nothing to change");
        }
    }
}
