using VmRepl.Simulation.Workload;
using VmRepl.Simulation.Storage;

namespace VmRepl.Simulation.System;

/// <summary>
/// Runs a whole simulated world, one continuation at a time, in an order that the seed decides. What awaits with a captured context comes here and is chosen from at random; time passes only when nothing is ready.
/// <para>
/// Library code escapes a context in many ways (ConfigureAwait(false), WaitAsync, semaphores, CancelAsync). It all ends in the thread pool, so each step is a work item of a pool that has a single thread: what escapes
/// runs between two steps, in the order in which it was queued, and stays as much decided by the seed as the rest.
/// </para>
/// </summary>
internal sealed class SimulatedScheduler : SynchronizationContext, IThreadPoolWorkItem
{
    private readonly SeededRandom random;
    private readonly EventLog log;
    private readonly long stepsMax;
    private readonly List<(SendOrPostCallback Callback, object? State)> ready = [];
    private readonly ManualResetEventSlim over = new();
    private Task main = Task.CompletedTask;
    private Exception? failure;
    private long steps;

    public SimulatedScheduler(SeededRandom random, EventLog log, long stepsMax)
    {
        (this.random, this.log, this.stepsMax) = (random, log, stepsMax);
        Time = new SimulatedTime(random);
    }

    public SimulatedTime Time { get; }

    public long Steps => steps;

    /// <summary>Looked at after each step; what it throws ends the world.</summary>
    public Action? AfterStep { get; set; }

    /// <summary>Whether this process can hold what happens to one thread.</summary>
    public static bool IsSingleThreaded
    {
        get
        {
            ThreadPool.GetMaxThreads(out var workers, out _);
            return workers == 1;
        }
    }

    /// <summary>Runs until the main task has ended; what is left of the world is abandoned.</summary>
    /// <exception cref="SimulationFailureException">Nothing is ready and nothing is due (a deadlock), or it does not end.</exception>
    public void Run(Func<Task> body)
    {
        if (!IsSingleThreaded) throw new InvalidOperationException("the system's simulation needs a thread pool of one thread: System.Threading.ThreadPool.MinThreads and MaxThreads of runtimeconfig.json");
        Post(_ => main = body(), null);
        main = new TaskCompletionSource().Task;
        ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
        over.Wait();
        if (failure is not null) throw new SimulationFailureException($"{failure.GetType().Name}: {failure.Message}{(failure is SimulationFailureException ? "" : "\n" + failure.StackTrace)}");
        main.GetAwaiter().GetResult();
    }

    public override void Post(SendOrPostCallback d, object? state) => ready.Add((d, state));

    public override void Send(SendOrPostCallback d, object? state) => throw new NotSupportedException("nobody may wait for a step of the simulation");

    public override SynchronizationContext CreateCopy() => this;

    void IThreadPoolWorkItem.Execute()
    {
        try
        {
            Step();
            AfterStep?.Invoke();
            if (++steps > stepsMax) throw new SimulationFailureException($"it does not end: {steps} steps, {Time.Elapsed.TotalSeconds:F0} s of its time");
        }
        catch (Exception e)
        {
            failure = e;
        }
        finally
        {
            SetSynchronizationContext(null);
        }

        if (failure is not null || main.IsCompleted) over.Set();
        else ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
    }

    private void Step()
    {
        if (ready.Count > 0)
        {
            var index = (int)random.Between(0, ready.Count - 1);
            log.Add((ulong)index << 32 | (uint)ready.Count);
            var (callback, state) = ready[index];
            ready.RemoveAt(index);
            SetSynchronizationContext(this);
            callback(state);
            return;
        }

        // What escaped to the pool may still bring something.
        if (ThreadPool.PendingWorkItemCount > 0) return;
        if (!Time.FireNext()) throw new SimulationFailureException("deadlock: nothing is ready and nothing is due");
        log.Add((ulong)Time.Elapsed.Ticks);
    }
}
