using VmRepl.Journal;
using VmRepl.Journal.Store;
using VmRepl.Simulation.Storage;

namespace VmRepl.Simulation.Workload;

/// <content>What goes wrong, and what is done about it.</content>
public sealed partial class JournalSimulation
{
    private bool wasKilledInRetirement;

    /// <summary>Runs something that a crash or an error of the volume may cut off; afterwards the group may be closed.</summary>
    private void Guarded(Action action)
    {
        try
        {
            action();
        }
        catch (SimulatedCrashException e)
        {
            NoteCrash(e);
            Abandon();
        }
        catch (JournalFullException)
        {
            Counters.Add(SimulationCounters.JournalFull);
            MakeRoom();
        }
        catch (Exception e) when (FaultOf(e) is { } fault)
        {
            Counters.Add(fault);
            volume.CapacityBytes = RoomyBytes;
            Abandon();
        }
        finally
        {
            volume.BeforeRead = null;
        }
    }

    private void PlanFault()
    {
        var choice = random.Between(0, 99);
        if (choice < 12) volume.FailReadIn = random.Between(1, 12);
        else if (choice < 22) volume.FailWriteIn = random.Between(1, 30);
        else if (choice < 34) volume.FailFlushIn = random.Between(1, 12);
        else if (choice < 44) volume.FillAt = volume.IoCount + random.Between(1, 40);
        else if (choice < 50) PlanLostFlushes();
        else if (choice < 55) PlanCrashInRetirement(AnyCrash());
        else if (choice < 60)
        {
            // Between what a retirement hands down and the flush of it.
            volume.CrashKind = random.Chance(0.3) ? CrashKind.PowerLoss : CrashKind.ProcessKill;
            volume.CrashAtFlushIf = () => IsInRetirement(Environment.StackTrace);
        }
        else if (choice < 68) volume.FailPunchIn = random.Between(1, 3);
        else PlanCrash(40);
    }

    private void PlanCrash(long within)
    {
        volume.CrashKind = AnyCrash();
        volume.CrashAt = volume.IoCount + random.Between(1, within);
    }

    private CrashKind AnyCrash() => random.Chance(0.7) ? CrashKind.PowerLoss : CrashKind.ProcessKill;

    private void PlanCrashInRetirement(CrashKind kind)
    {
        volume.CrashKind = kind;
        volume.CrashWhenGoes = "segment-";
    }

    /// <summary>From some moment on the volume keeps everything in a cache that it says it has flushed; then power is lost.</summary>
    private void PlanLostFlushes()
    {
        // It does so until power is lost, however often the process is started anew.
        if (volume.LoseFlushesAt == long.MaxValue)
        {
            volume.SomeSurviveLostFlushes = random.Chance(0.25);
            volume.LoseFlushesAt = volume.IoCount + random.Between(1, 60);
        }

        volume.CrashKind = CrashKind.PowerLoss;
        volume.CrashAt = Math.Max(volume.IoCount, volume.LoseFlushesAt) + random.Between(1, 60);
    }

    /// <summary>A part of a segment that is not given back costs room and nothing else: the journal goes on. What becomes of the others is for whoever called.</summary>
    private void NotePunchError(string path)
    {
        if (path.EndsWith(".vrj", StringComparison.Ordinal)) Counters.Add(SimulationCounters.VoidsNotGivenBack);
    }

    /// <summary>Nothing more is planned. A volume that is losing flushes loses its power first.</summary>
    private void EndFaults()
    {
        volume.CapacityBytes = RoomyBytes;
        volume.CrashAt = volume.FillAt = long.MaxValue;
        volume.CrashWhenGoes = null;
        volume.CrashAtFlushIf = null;
        volume.FailReadIn = volume.FailWriteIn = volume.FailPunchIn = volume.FailFlushIn = 0;
        if (!volume.IsLosingFlushes)
        {
            volume.LoseFlushesAt = long.MaxValue;
            return;
        }

        volume.Crash(CrashKind.PowerLoss);
        Counters.Add(SimulationCounters.PowerLosses);
        Abandon();
    }

    /// <summary>What an administrator does about a full journal: ends views, gives space.</summary>
    private void MakeRoom()
    {
        CloseViews();
        volume.CapacityBytes = RoomyBytes;
        if (!random.Chance(0.5)) return;
        settings = settings with { Journal = settings.Journal with { CapacityBytes = settings.Journal.CapacityBytes + (4 << 20) } };
        mustReopen = true;
    }

    /// <summary>Where it hit is told by the stack: a name that changes leaves a counter at 0, which a long run does not pass.</summary>
    private void NoteCrash(SimulatedCrashException crash)
    {
        Counters.Add(volume.CrashKind == CrashKind.PowerLoss ? SimulationCounters.PowerLosses : SimulationCounters.Kills);
        var stack = crash.StackTrace ?? "";
        if (!IsInRetirement(stack)) return;
        wasKilledInRetirement = volume.CrashKind == CrashKind.ProcessKill;
        Counters.Add(stack.Contains("Commit", StringComparison.Ordinal) ? SimulationCounters.CrashesInHandDown : SimulationCounters.CrashesInRetirement);
    }

    private static bool IsInRetirement(string stack) => stack.Contains("GroupJournal.Retire", StringComparison.Ordinal);

    /// <summary>The counter of the simulated fault behind an exception, or null where it is none of ours.</summary>
    private static string? FaultOf(Exception e)
    {
        for (var cause = e; cause is not null; cause = cause.InnerException)
        {
            if (cause is not (IOException or StoreException)) continue;
            if (!cause.Message.Contains("(simulated)", StringComparison.Ordinal)) continue;
            return cause.Message.Contains("space", StringComparison.Ordinal) ? SimulationCounters.DiskFull
                : cause.Message.Contains("written", StringComparison.Ordinal) ? SimulationCounters.WriteErrors
                : cause.Message.Contains("punched", StringComparison.Ordinal) ? SimulationCounters.PunchErrors
                : cause.Message.Contains("flushed", StringComparison.Ordinal) ? SimulationCounters.FlushErrors : SimulationCounters.ReadErrors;
        }

        return null;
    }
}
