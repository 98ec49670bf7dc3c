namespace VmRepl.Blocks.Decorators;

/// <summary>A request that has ended.</summary>
/// <param name="Operation">What was asked.</param>
/// <param name="Offset">Bytes; 0 for a flush.</param>
/// <param name="Length">Bytes; 0 for a flush.</param>
/// <param name="Duration">How long the device below took.</param>
/// <param name="Failure">What it threw, or none.</param>
public readonly record struct LoggedRequest(DeviceOperation Operation, long Offset, long Length, TimeSpan Duration, Exception? Failure);
