namespace VmRepl.Blocks.Decorators;

/// <summary>What is asked of a device, as the decorators tell requests apart.</summary>
public enum DeviceOperation
{
    Read,
    Write,
    Zero,
    Punch,
    Flush,
    Map,
}
