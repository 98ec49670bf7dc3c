namespace VmRepl.Benchmarks;

/// <summary>The same work, done by VmRepl and by others in turn.</summary>
/// <param name="Name">Short; <c>--only</c> goes by it.</param>
/// <param name="Work">What is done.</param>
/// <param name="Bytes">Bytes of data moved or hashed, for the rate.</param>
/// <param name="Contestants">Ours first.</param>
internal sealed record Contest(string Name, string Work, long Bytes, IReadOnlyList<Contestant> Contestants)
{
    /// <summary>What is worth knowing beside the times; asked when all have run.</summary>
    public Func<IReadOnlyList<string>> Notes { get; init; } = () => [];

    /// <summary>Removes what the contest leaves.</summary>
    public Action Cleanup { get; init; } = () => { };

    /// <summary>
    /// Runs everyone once without counting, then <paramref name="pairs"/> times in turn, so that what else the machine does meets all of them alike.
    /// Everything dirty is written back before each run: nobody pays for the one before.
    /// </summary>
    public ContestResult Run(int pairs)
    {
        List<Contestant> present = [.. Contestants.Where(c => c.Needs.All(CommandLineTool.Exists))];
        var skipped = Contestants.Except(present).Select(c => $"{c.Name}: {string.Join(", ", c.Needs.Where(n => !CommandLineTool.Exists(n)))} is not here");
        var times = present.ToDictionary(c => c.Name, _ => new List<TimeSpan>());
        var first = new Dictionary<string, TimeSpan>();
        for (var round = 0; round <= pairs; round++)
        {
            foreach (var contestant in present)
            {
                CommandLineTool.Run("sync");
                var time = contestant.Run();
                if (round == 0) first[contestant.Name] = time;
                else times[contestant.Name].Add(time);
            }
        }

        Cleanup();
        return new ContestResult(this, present, times, first, [.. skipped]);
    }
}
