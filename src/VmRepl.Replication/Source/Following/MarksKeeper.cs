using Microsoft.Extensions.Logging;

namespace VmRepl.Replication.Source.Following;

/// <summary>Takes what rests out of the activity logs of a group's disks, so that a crash of the host costs less.</summary>
internal sealed class MarksKeeper(string group, IReadOnlyList<FollowedDisk> disks, TimeProvider time, ILogger log)
{
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(5);

    /// <summary>Runs until it is called off.</summary>
    public async Task RunAsync(CancellationToken cancellation)
    {
        while (true)
        {
            try
            {
                await CommonTick.NextAsync(Interval, time, cancellation);
                foreach (var disk in disks)
                {
                    await disk.Marks.DeactivateIdleAsync(() =>
                    {
                        disk.Image.Flush();
                        return default;
                    });
                }
            }
            catch (OperationCanceledException)
            {
                return;
            }
            catch (IOException e)
            {
                FollowLog.MarksFailed(log, group, e.Message);
            }
        }
    }
}
