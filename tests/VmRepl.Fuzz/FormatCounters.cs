using VmRepl.Fuzz.Mutations;
using VmRepl.Fuzz.Trials;

namespace VmRepl.Fuzz;

/// <summary>What became of the mutants of one format.</summary>
public sealed class FormatCounters
{
    public long Mutants { get; private set; }

    /// <summary>Of <see cref="Mutants"/> those whose checksums were put right, or that need none.</summary>
    public long Sealed { get; private set; }

    public long Refused { get; private set; }

    public long Opened { get; private set; }

    public long ReadBlock { get; private set; }

    public long Copied { get; private set; }

    public long OpenedToWrite { get; private set; }

    public long Written { get; private set; }

    public long Findings { get; private set; }

    public TimeSpan ProcessorTime { get; private set; }

    public void Add(Mutant mutant, Trial trial)
    {
        var result = trial.Result;
        Mutants++;
        if (mutant.IsSealed) Sealed++;
        if (result.IsOpened) Opened++;
        else Refused++;
        if (result.HasReadBlock) ReadBlock++;
        if (result.IsCopied) Copied++;
        if (result.IsOpenedToWrite) OpenedToWrite++;
        if (result.IsWritten) Written++;
        Findings += trial.Findings.Count;
        ProcessorTime += result.ProcessorTime;
    }

    public void Add(FormatCounters other)
    {
        Mutants += other.Mutants;
        Sealed += other.Sealed;
        Refused += other.Refused;
        Opened += other.Opened;
        ReadBlock += other.ReadBlock;
        Copied += other.Copied;
        OpenedToWrite += other.OpenedToWrite;
        Written += other.Written;
        Findings += other.Findings;
        ProcessorTime += other.ProcessorTime;
    }

    public string Row(string name)
    {
        return $"{name,-8} {Mutants,9} {Share(Sealed),7} {Share(Refused),8} {Share(Opened),8} {Share(ReadBlock),11} {Share(Copied),8} {Share(OpenedToWrite),9} {Share(Written),8} {Findings,9} {ProcessorTime.TotalMilliseconds / Math.Max(1, Mutants),8:F2}";

        string Share(long part) => $"{100.0 * part / Math.Max(1, Mutants):F1} %";
    }

    public static string Head => $"{"format",-8} {"mutants",9} {"sealed",7} {"refused",8} {"opened",8} {"block read",11} {"copied",8} {"writable",9} {"written",8} {"findings",9} {"ms each",8}";
}
