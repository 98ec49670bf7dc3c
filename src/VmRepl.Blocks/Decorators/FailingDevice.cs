namespace VmRepl.Blocks.Decorators;

/// <summary>A device that fails by rule: a request that fails does not reach the device below. The first rule that says so decides; each counts every request that matches it and comes to it.</summary>
/// <param name="below">Not its own.</param>
/// <param name="seed">Of the rates.</param>
/// <param name="rules">In order.</param>
public sealed class FailingDevice(IBlockDevice below, int seed, params FailureRule[] rules) : DecoratedDevice(below)
{
    private readonly Random random = new(seed);
    private readonly long[] matched = new long[rules.Length];
    private readonly Lock gate = new();

    protected override long Before(DeviceOperation operation, long offset, long length)
    {
        if (FindFailure(operation, offset, length) is { } rule) throw rule.Failure();
        return 0;
    }

    private FailureRule? FindFailure(DeviceOperation operation, long offset, long length)
    {
        lock (gate)
        {
            for (var i = 0; i < rules.Length; i++)
            {
                if (rules[i].Matches(operation, offset, length) && matched[i]++ >= rules[i].After && random.NextDouble() < rules[i].Rate) return rules[i];
            }
        }

        return null;
    }
}
